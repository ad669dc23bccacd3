package postcondition.any.no_crashloop_pods

import rego.v1

test_all_run if {
	allow with input.pods as [{"name": "a", "status": "Running"}, {"name": "b", "status": "Running"}]
}

test_no_pods if {
	allow with input.pods as []
}

test_one_crashes if {
	not allow with input.pods as [
		{"name": "a", "status": "Running"},
		{"name": "b", "status": "CrashLoopBackOff"},
	]
}

test_one_without_a_name_crashes if {
	not allow with input.pods as [{"status": "CrashLoopBackOff"}]
}

test_pods_not_known if {
	not allow with input.namespace as "shop"
}

test_a_status_is_not_known if {
	not allow with input.pods as [{"name": "a"}]
}

test_the_reason_names_it if {
	error_message == {"pod b is in CrashLoopBackOff"} with input.pods as [
		{"name": "b", "status": "CrashLoopBackOff"},
		{"name": "c", "status": "Running"},
	]
}

test_the_reason_says_unknown if {
	error_message == {"it is not known which pods there are"} with input.namespace as "shop"
}
