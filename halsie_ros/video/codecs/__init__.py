"""What a codec's own headers and syntax say of a packet, one module or folder per codec."""
