"""Typed parameters of every action, one module for each family of actions."""
