import { asOwner } from './servers.ts'

/** What writes may go for: a table, a sequence, functions that write in every way that a name can be called. */
export const SCHEMA = `
create table users (id serial primary key, name text);
insert into users (name) values ('ada'), ('grace'), ('joan');
create sequence s;
create materialized view m as select count(*) from users;
create function evil() returns int language sql volatile as $$ insert into users (name) values ('evil') returning 1 $$;
create function evil_row(users) returns int language sql volatile as $$ insert into users (name) values ('evil') returning 1 $$;
create procedure evil_proc() language plpgsql as $$ begin insert into users (name) values ('evil'); end $$;
create function stable_reader() returns bigint language sql stable as $$ select count(*) from users $$;
create schema shadow;
create function shadow.lower(text) returns text language sql volatile as $$ insert into public.users (name) values ('evil') returning name $$;
create role reader;
create extension dblink;
create extension tablefunc;
`

/** Everything that a trick could have changed, as one text. */
export async function fingerprint(port: number): Promise<string> {
  const { rows } = await asOwner(
    port,
    `select (select string_agg(id || name, ',' order by id) from users) as users,
      (select last_value || is_called::text from s) as s,
      (select count(*) from pg_largeobject_metadata) as large,
      (select string_agg(relname, ',' order by relname) from pg_class where relnamespace = 'public'::regnamespace) as relations,
      (select count(*) from pg_proc where pronamespace = 'public'::regnamespace) as functions,
      (select relacl::text from pg_class where relname = 'users') as rights,
      obj_description('users'::regclass) as comment,
      (select count(*) from pg_replication_slots) as slots,
      (select count(*) from pg_locks where locktype = 'advisory') as advisory,
      (select count(*) from pg_prepared_xacts) as prepared`,
  )
  return JSON.stringify(rows)
}
