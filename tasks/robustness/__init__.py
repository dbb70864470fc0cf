"""How far an attacker can move what is read, recommended and concluded."""
