"""A message as handlers see it."""

from nats.aio.msg import Msg

from shared.bus.port import Delivery


def to_delivery(msg: Msg) -> Delivery:
    """Return a message as handlers see it."""
    metadata = msg.metadata
    return Delivery(
        subject=msg.subject,
        data=msg.data,
        headers=msg.headers or {},
        deliveries=metadata.num_delivered or 1,
        stream=metadata.stream,
        sequence=metadata.sequence.stream,
    )
