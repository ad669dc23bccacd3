# What is labelled critical=true never goes down to nothing.
package safety.scaling

import data.lib.actions
import rego.v1

default allow := false

allow if {
	is_string(input.action)
	count(deny) == 0
}

scaling if input.action in actions.scales

deny contains "something critical is never scaled to zero" if {
	scaling
	actions.is_critical
	input.parameters.replicas == 0
}

deny contains "it is not known how many replicas are asked for" if {
	scaling
	not is_number(input.parameters.replicas)
}

deny contains "it is not known whether the target is critical" if {
	scaling
	not actions.labels_known
}
