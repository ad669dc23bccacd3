# In production: few replicas at most, enough of what is critical, nothing destroyed, and
# people agree to what is risky. An undo needs no second approval, and waits for no evening.
package safety.production

import data.lib.actions
import rego.v1

default allow := false

allow if {
	is_string(input.action)
	count(deny) == 0
}

most_replicas := 20

fewest_critical := 3

approved := "kubernaut.io/approved-by"

override := "kubernaut.io/business-hours-override"

# Whatever is not known to be something else is production.
guarded if {
	actions.changes
	not input.production == false
}

forward if {
	guarded
	not input.rollback == true
}

asked := input.parameters.replicas if input.action in actions.scales

asked := input.parameters.maxReplicas if input.action == "update_hpa"

deny contains msg if {
	guarded
	asked > most_replicas
	msg := sprintf("%v replicas; production allows %v", [asked, most_replicas])
}

deny contains "it is not known how many replicas are asked for" if {
	guarded
	input.action in (actions.scales | {"update_hpa"})
	not is_number(asked)
}

deny contains msg if {
	guarded
	input.action in actions.scales
	actions.is_critical
	input.parameters.replicas < fewest_critical
	msg := sprintf("%v replicas; what is critical keeps %v in production", [asked, fewest_critical])
}

deny contains "it is not known whether the target is critical" if {
	guarded
	input.action in actions.scales
	not actions.labels_known
}

deny contains msg if {
	guarded
	input.action in actions.destroys
	msg := sprintf("%s destroys something, which production does not allow", [input.action])
}

deny contains msg if {
	forward
	input.action in actions.reconfigures
	not is_approved
	msg := sprintf("%s needs the annotation %s on its target in production", [input.action, approved])
}

is_approved if {
	is_string(input.target_resource.annotations[approved])
	input.target_resource.annotations[approved] != ""
}

deny contains msg if {
	forward
	in_business_hours
	not input.target_resource.annotations[override] == "true"
	msg := sprintf("between 9 and 17 UTC production needs the annotation %s on the target", [override])
}

in_business_hours if substring(input.now, 11, 2) in {"09", "10", "11", "12", "13", "14", "15", "16"}

deny contains "it is not known what time it is in UTC" if {
	forward
	not in_utc
}

in_utc if {
	is_string(input.now)
	count(input.now) >= 20
	substring(input.now, 10, 1) == "T"
	endswith(input.now, "Z")
}
