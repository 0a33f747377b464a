"""How small and how faint a change a method finds in a given pair: changes that are put in."""
