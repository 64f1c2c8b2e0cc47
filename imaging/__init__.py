"""Medical images: formats, the archive, DICOMweb."""
