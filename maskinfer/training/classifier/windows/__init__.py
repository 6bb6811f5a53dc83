"""Windows of faces: found and cut, kept in a file that memory is mapped to, and packed to train elsewhere."""
