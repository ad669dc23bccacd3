"""Opting a namespace in: the accounts that actions are carried out as there, and their rights."""
