# The deployment to scale is there.
package precondition.scale_deployment.deployment_exists

import rego.v1

default allow := false

allow if input.deployment_found == true

error_message := sprintf("deployment %s/%s was not found", [input.namespace, input.deployment_name]) if {
	not allow
}
