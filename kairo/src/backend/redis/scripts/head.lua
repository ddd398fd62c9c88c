-- The sequence of the last event.
return sequence
