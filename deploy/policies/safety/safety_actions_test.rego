package safety.actions

import rego.v1

test_on_the_list if {
	allow with input.action as "scale_deployment"
}

test_not_on_the_list if {
	not allow with input.action as "restart_network"
}

test_the_reason_names_it if {
	deny == {"action restart_network is not on the allow list"} with input.action as "restart_network"
}

test_no_action if {
	not allow with input.rollback as false
}
