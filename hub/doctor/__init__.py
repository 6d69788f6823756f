"""What on this machine would spoil Pointsman: `reading` looks (thin, changes nothing), `checks` judge (pure)."""
