"""What all loaders of annotation files share: files, fields, records, pictures and the cached index."""
