"""Why a method called something change: which bands, which date, which pixels."""
