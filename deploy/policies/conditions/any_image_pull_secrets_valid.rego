# The image pull secrets that pods name are there and usable.
package precondition.any.image_pull_secrets_valid

import rego.v1

default allow := false

allow if {
	input.image_pull_secrets_exist == true
	stated
	count(error_message) == 0
}

stated if input.image_pull_secrets_valid == true

stated if {
	is_array(input.invalid_secrets)
	count(input.invalid_secrets) == 0
}

error_message contains msg if {
	is_string(input.image_pull_secrets_unread)
	msg := sprintf("the image pull secrets cannot be read: %v", [input.image_pull_secrets_unread])
}

error_message contains "an image pull secret does not exist" if {
	not input.image_pull_secrets_unread
	not input.image_pull_secrets_exist == true
}

error_message contains "the image pull secrets are not valid" if input.image_pull_secrets_valid != true

error_message contains "it is not known whether the image pull secrets are valid" if {
	not input.image_pull_secrets_unread
	not stated
}

error_message contains msg if {
	some name in input.invalid_secrets
	msg := sprintf("the image pull secret %v is not valid", [name])
}
