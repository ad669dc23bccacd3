package safety.data_size

import rego.v1

test_small_data if {
	allow with input.action as "update_configmap" with input.parameters as {"data": {"a": "b"}}
}

test_a_size_that_is_told if {
	allow with input.action as "update_secret" with input.parameters as {"data_bytes": 131072}
}

test_too_large if {
	not allow with input.action as "update_secret" with input.parameters as {"data_bytes": 131073}
}

test_the_reason_tells_the_size if {
	deny == {"the data has 131073 bytes; 131072 is the most"} with input.action as "update_configmap"
		with input.parameters as {"data_bytes": 131073}
}

test_a_size_nobody_knows if {
	not allow with input.action as "update_configmap" with input.parameters as {}
}

test_not_about_data if {
	allow with input.action as "scale_deployment"
}

test_no_action if {
	not allow with input.parameters as {"data_bytes": 1}
}
