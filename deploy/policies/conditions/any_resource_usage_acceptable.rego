# No pod is throttled, and none was killed for want of memory.
package postcondition.any.resource_usage_acceptable

import rego.v1

default allow := false

allow if {
	is_array(input.pods)
	count(error_message) == 0
}

error_message contains "it is not known which pods there are" if not is_array(input.pods)

error_message contains msg if {
	some index, pod in input.pods
	not pod.throttled == false
	msg := sprintf("pod %v is throttled, or nobody knows", [object.get(pod, "name", index)])
}

error_message contains msg if {
	some index, pod in input.pods
	not pod.oom_killed == false
	msg := sprintf("pod %v was OOM-killed, or nobody knows", [object.get(pod, "name", index)])
}
