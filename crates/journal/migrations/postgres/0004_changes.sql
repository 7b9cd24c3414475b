-- Workers that wait hear of a run that begins, stops, or has its recipients sent again.
CREATE FUNCTION depeche_tell() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('depeche', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER run_changed AFTER INSERT OR UPDATE OF state ON run FOR EACH ROW EXECUTE FUNCTION depeche_tell();
