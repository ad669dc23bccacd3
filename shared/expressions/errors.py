"""What goes wrong with an expression, in one readable line."""

from shared.errors import PermanentError

_MAX_MESSAGE = 200


class ExpressionError(PermanentError):
    """An expression cannot be read, or has no usable value."""

    def __init__(self, message: str) -> None:
        # Half a surrogate pair could be written nowhere.
        line = " ".join(message.encode(errors="replace").decode().split())
        super().__init__("InvalidExpression", line[:_MAX_MESSAGE])
