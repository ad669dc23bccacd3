package postcondition.any.resource_usage_acceptable

import rego.v1

test_all_well if {
	allow with input.pods as [{"name": "a", "throttled": false, "oom_killed": false}]
}

test_throttled if {
	not allow with input.pods as [{"name": "a", "throttled": true, "oom_killed": false}]
}

test_killed if {
	not allow with input.pods as [
		{"name": "a", "throttled": false, "oom_killed": false},
		{"name": "b", "throttled": false, "oom_killed": true},
	]
}

test_no_metrics if {
	not allow with input.pods as [{"name": "a", "oom_killed": false}]
}

test_pods_not_known if {
	not allow with input.namespace as "shop"
}

test_the_reason_names_it if {
	wanted := {"pod b was OOM-killed, or nobody knows"}
	error_message == wanted with input.pods as [{"name": "b", "throttled": false, "oom_killed": true}]
}
