"""Everything a tenant has, as one ZIP: every table says once which of its columns go out."""
