package precondition.any.image_pull_secrets_valid

import rego.v1

test_valid if {
	allow with input.image_pull_secrets_exist as true with input.image_pull_secrets_valid as true
}

test_no_invalid_ones if {
	allow with input.image_pull_secrets_exist as true with input.invalid_secrets as []
}

test_missing if {
	not allow with input.image_pull_secrets_exist as false with input.image_pull_secrets_valid as true
}

test_not_valid if {
	not allow with input.image_pull_secrets_exist as true with input.image_pull_secrets_valid as false
}

test_one_is_not_valid if {
	not allow with input.image_pull_secrets_exist as true with input.invalid_secrets as ["registry"]
}

test_both_must_agree if {
	not allow with input.image_pull_secrets_exist as true
		with input.image_pull_secrets_valid as true
		with input.invalid_secrets as ["registry"]
}

test_nothing_said_of_validity if {
	not allow with input.image_pull_secrets_exist as true
}

test_secrets_that_could_not_be_read if {
	not allow with input.image_pull_secrets_unread as "no right to get registry"
}

test_the_reason_says_why_they_could_not_be_read if {
	wanted := {"the image pull secrets cannot be read: no right to get registry"}
	error_message == wanted with input.image_pull_secrets_unread as "no right to get registry"
}

test_the_reason_names_it if {
	"the image pull secret registry is not valid" in error_message with input.invalid_secrets as ["registry"]
}
