# No pod crashes over and over.
package postcondition.any.no_crashloop_pods

import rego.v1

default allow := false

# Without a list nothing is known: no pods at all would otherwise read as no crash.
allow if {
	is_array(input.pods)
	count(unknown) == 0
	count(crashing) == 0
}

crashing contains index if {
	some index, pod in input.pods
	pod.status == "CrashLoopBackOff"
}

unknown contains index if {
	some index, pod in input.pods
	not is_string(pod.status)
}

error_message contains "it is not known which pods there are" if not is_array(input.pods)

error_message contains msg if {
	count(unknown) > 0
	msg := sprintf("the status of %v pods is not known", [count(unknown)])
}

error_message contains msg if {
	some index in crashing
	msg := sprintf("pod %v is in CrashLoopBackOff", [object.get(input.pods[index], "name", index)])
}
