"""What the control room keeps: visits, pictures and recordings in one folder."""
