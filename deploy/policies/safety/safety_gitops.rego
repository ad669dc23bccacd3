# What a GitOps tool owns is changed in Git: the tool would take back any other change.
package safety.gitops

import data.lib.actions
import rego.v1

default allow := false

allow if {
	is_string(input.action)
	count(deny) == 0
}

owners := {
	"argocd.argoproj.io/instance": "Argo CD",
	"argocd.argoproj.io/tracking-id": "Argo CD",
	"helm.toolkit.fluxcd.io/name": "Flux",
	"kustomize.toolkit.fluxcd.io/name": "Flux",
	"meta.helm.sh/release-name": "Helm",
}

owned_by contains owner if {
	some marker, owner in owners
	is_string(input.target_resource.labels[marker])
}

owned_by contains owner if {
	some marker, owner in owners
	is_string(input.target_resource.annotations[marker])
}

owned_by contains "Helm" if input.target_resource.labels["app.kubernetes.io/managed-by"] == "Helm"

refused if {
	actions.changes
	not input.gitops == "note"
}

deny contains msg if {
	refused
	some owner in owned_by
	msg := sprintf("%s owns the target: escalate, and change it in Git", [owner])
}

note contains msg if {
	actions.changes
	not refused
	some owner in owned_by
	msg := sprintf("%s owns the target, and may take this change back: change it in Git too", [owner])
}

deny contains "it is not known who owns the target" if {
	refused
	not actions.labels_known
}

deny contains "it is not known who owns the target" if {
	refused
	not actions.annotations_known
}
