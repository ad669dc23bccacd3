package safety.gitops

import rego.v1

test_nobody_owns_it if {
	allow with input.action as "scale_deployment"
		with input.target_resource as {"labels": {"app": "web"}, "annotations": {}}
}

test_argo_cd_by_label if {
	not allow with input.action as "scale_deployment"
		with input.target_resource as {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {}}
}

test_argo_cd_by_annotation if {
	not allow with input.action as "scale_deployment"
		with input.target_resource as {
			"labels": {},
			"annotations": {"argocd.argoproj.io/tracking-id": "x"},
		}
}

test_flux_by_kustomization if {
	not allow with input.action as "scale_deployment"
		with input.target_resource as {
			"labels": {"kustomize.toolkit.fluxcd.io/name": "x"},
			"annotations": {},
		}
}

test_flux_by_helm_release if {
	not allow with input.action as "scale_deployment"
		with input.target_resource as {"labels": {"helm.toolkit.fluxcd.io/name": "x"}, "annotations": {}}
}

test_helm_by_annotation if {
	not allow with input.action as "scale_deployment"
		with input.target_resource as {"labels": {}, "annotations": {"meta.helm.sh/release-name": "x"}}
}

test_helm_by_label if {
	not allow with input.action as "scale_deployment"
		with input.target_resource as {
			"labels": {"app.kubernetes.io/managed-by": "Helm"},
			"annotations": {},
		}
}

test_managed_by_something_else if {
	allow with input.action as "scale_deployment"
		with input.target_resource as {
			"labels": {"app.kubernetes.io/managed-by": "people"},
			"annotations": {},
		}
}

test_the_reason_advises if {
	deny == {"Argo CD owns the target: escalate, and change it in Git"} with input.action as "scale_deployment"
		with input.target_resource as {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {}}
}

test_told_to_note if {
	allow with input.action as "scale_deployment"
		with input.gitops as "note"
		with input.target_resource as {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {}}
}

test_the_note_names_the_owner if {
	wanted := {"Flux owns the target, and may take this change back: change it in Git too"}
	note == wanted with input.action as "scale_deployment"
		with input.gitops as "note"
		with input.target_resource as {
			"labels": {"kustomize.toolkit.fluxcd.io/name": "x"},
			"annotations": {},
		}
}

test_no_note_of_what_nobody_owns if {
	note == set() with input.action as "scale_deployment"
		with input.gitops as "note"
		with input.target_resource as {"labels": {}, "annotations": {}}
}

test_no_note_of_what_is_refused if {
	note == set() with input.action as "scale_deployment"
		with input.target_resource as {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {}}
}

test_told_something_else if {
	not allow with input.action as "scale_deployment"
		with input.gitops as "Note"
		with input.target_resource as {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {}}
}

test_told_to_refuse if {
	not allow with input.action as "scale_deployment"
		with input.gitops as "refuse"
		with input.target_resource as {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {}}
}

test_reading_is_fine if {
	allow with input.action as "wait_for_condition"
		with input.target_resource as {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {}}
}

test_labels_nobody_knows if {
	not allow with input.action as "scale_deployment" with input.target_resource.annotations as {}
}

test_annotations_nobody_knows if {
	not allow with input.action as "scale_deployment" with input.target_resource.labels as {}
}

test_no_action if {
	not allow with input.target_resource as {"labels": {}, "annotations": {}}
}
