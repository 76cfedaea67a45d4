-- Run once, by PostgreSQL's image, when the database cluster is made: what orchestrator/engines/
-- provision.py does for an embedded one. The passwords come from the container's environment.
\set ON_ERROR_STOP on
\getenv owner_password POSTGRES_OWNER_PASSWORD
\getenv app_password POSTGRES_APP_PASSWORD

-- The owner of the schema, and the application's role, which owns nothing: row-level security
-- holds for it. Neither role may bypass it.
create role antiphon_owner login nosuperuser nobypassrls nocreatedb nocreaterole noreplication
    password :'owner_password';
create role antiphon_app login nosuperuser nobypassrls nocreatedb nocreaterole noreplication
    password :'app_password';

create database antiphon owner antiphon_owner;
revoke all on database antiphon from public;
grant connect on database antiphon to antiphon_app;

\connect antiphon
create extension if not exists vector;
alter schema public owner to antiphon_owner;
grant usage on schema public to antiphon_app;
