"""Entry point that says what to do when the environment is not made yet."""

import sys


def main() -> int:
    """Run the demo; return the exit code."""
    try:
        from cli.demo import app  # noqa: PLC0415 - it needs what may be missing
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"error: {error.name} is not installed; `make demo` installs it, and "
            "`make setup` alone does so too\n"
        )
        return 1
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
