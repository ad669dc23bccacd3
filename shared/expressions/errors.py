"""What goes wrong with an expression, in one readable line."""

from shared.errors import PermanentError

_MAX_MESSAGE = 200


class ExpressionError(PermanentError):
    """An expression cannot be read, or has no usable value."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("InvalidExpression", line[:_MAX_MESSAGE])
