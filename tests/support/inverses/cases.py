"""For each action that can be undone: random objects, and what others may change of them."""

from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import DEPLOYMENT, STATEFUL_SET
from tests.support.inverses.case import Case
from tests.support.inverses.config import config, rotation, secret_update
from tests.support.inverses.deployments import patched, revision
from tests.support.inverses.manifests import manifest
from tests.support.inverses.metadata import marked, quarantined
from tests.support.inverses.network import rules
from tests.support.inverses.nodes import cordoned, tainted
from tests.support.inverses.pod_templates import debug, image, migration, resources
from tests.support.inverses.scaling import autoscaler, scaled

CASES: Final[Mapping[Action, st.SearchStrategy[Case]]] = {
    Action.SCALE_DEPLOYMENT: scaled(Action.SCALE_DEPLOYMENT, DEPLOYMENT, "deployment"),
    Action.SCALE_STATEFULSET: scaled(Action.SCALE_STATEFULSET, STATEFUL_SET, "statefulset"),
    Action.UPDATE_IMAGE: image(),
    Action.PATCH_DEPLOYMENT: patched(),
    Action.ROLLBACK_DEPLOYMENT: revision(),
    Action.INCREASE_RESOURCES: resources(),
    Action.UPDATE_HPA: autoscaler(),
    Action.MIGRATE_WORKLOAD: migration(),
    Action.ENABLE_DEBUG_MODE: debug(),
    Action.QUARANTINE_POD: quarantined(),
    Action.CORDON_NODE: cordoned(Action.CORDON_NODE),
    Action.UNCORDON_NODE: cordoned(Action.UNCORDON_NODE),
    Action.TAINT_NODE: tainted(Action.TAINT_NODE),
    Action.UNTAINT_NODE: tainted(Action.UNTAINT_NODE),
    Action.UPDATE_CONFIGMAP: config(),
    Action.UPDATE_SECRET: secret_update(),
    Action.ROTATE_SECRETS: rotation(),
    Action.APPLY_MANIFEST: manifest(),
    Action.LABEL_RESOURCE: marked(Action.LABEL_RESOURCE),
    Action.ANNOTATE_RESOURCE: marked(Action.ANNOTATE_RESOURCE),
    Action.UPDATE_NETWORK_POLICY: rules(),
}
