# ConfigMaps and Secrets stay far below what etcd takes.
package safety.data_size

import data.lib.actions
import rego.v1

default allow := false

allow if {
	is_string(input.action)
	count(deny) == 0
}

most := 131072

writing if input.action in actions.writes_data

size := input.parameters.data_bytes if is_number(input.parameters.data_bytes)

size := sum([count(value) | some value in input.parameters.data]) if {
	not is_number(input.parameters.data_bytes)
	is_object(input.parameters.data)
}

deny contains msg if {
	writing
	size > most
	msg := sprintf("the data has %v bytes; %v is the most", [size, most])
}

deny contains "it is not known how much data there is" if {
	writing
	not is_number(size)
}
