-- Version 3: which addresses a scan asked, as prefixes and ranges with spaces between; NULL in what was written before.
ALTER TABLE scans ADD COLUMN address_list TEXT;
