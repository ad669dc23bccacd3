"""What each action changes: pure modules, one for each family, behind one table of handlers.

An action says what it wants of the live object, when its target has settled, and how its undo
is called; the shell around it (`services.executor.effect`) makes the one write.
"""
