# The deployment itself says that all is well.
package postcondition.scale_deployment.deployment_health_check

import rego.v1

default allow := false

allow if {
	input.conditions.Available == true
	input.conditions.Progressing == true
	input.conditions.ReplicaFailure == false
}

error_message contains "the deployment is not Available" if not input.conditions.Available == true

error_message contains "the deployment is not Progressing" if not input.conditions.Progressing == true

error_message contains "the deployment has ReplicaFailure" if {
	not input.conditions.ReplicaFailure == false
}
