/** Volatile functions of Postgres' own that change nothing beyond the session. */
export const HARMLESS_FUNCTIONS: ReadonlySet<string> = new Set(
  `bernoulli clock_timestamp current_query currtid2 currval gen_random_uuid lastval pg_blocking_pids pg_collation_actual_version
  pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system pg_current_wal_flush_lsn pg_current_wal_insert_lsn
  pg_current_wal_lsn pg_database_collation_actual_version pg_database_size pg_export_snapshot pg_get_multixact_members
  pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused
  pg_isolation_test_session_is_blocked pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn
  pg_last_xact_replay_timestamp pg_lock_status pg_notification_queue_usage pg_partition_ancestors pg_partition_tree
  pg_prepared_xact pg_relation_size pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_show_replication_origin_status
  pg_sleep pg_sleep_for pg_sleep_until pg_stat_clear_snapshot pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit
  pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time
  pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched
  pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_returned
  pg_stat_get_xact_tuples_updated pg_stat_have_stats pg_table_size pg_tablespace_size pg_total_relation_size
  pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status random random_normal setseed system timeofday
  txid_status uuidv4 uuidv7`.split(/\s+/),
)

/** Of extensions, by any schema: generators without an effect. */
const HARMLESS_EXTENSION_FUNCTIONS = [
  'uuid_generate_v1',
  'uuid_generate_v1mc',
  'uuid_generate_v4',
  'gen_salt',
  'gen_random_bytes',
]

/** Run the SQL of a text, though some say that they are stable. */
const RUNS_TEXT = /^(?:crosstab\w*|connectby|xpath_table|query_to_xml\w*|cursor_to_xml\w*|ts_stat|ts_rewrite|dblink\w*)$/
/** Never a read, whatever a catalogue says. */
const WRITES =
  /^(?:set_config|lo_\w+|lowrite|pg_read_\w*file|pg_terminate_backend|pg_cancel_backend|pg_(?:try_)?advisory_\w+|pg_notify|nextval|setval)$/

/** What the server's own catalogue says of functions: the volatile ones, which may do anything. */
export interface FunctionTable {
  volatile: ReadonlySet<string>
  /** Those that a value can call by a dot: `(value).name`. */
  byDot: ReadonlySet<string>
}

/** Asks for each volatile name, and whether one argument is enough for it. All of its text is of this file. */
export const FUNCTIONS_QUERY = `
select p.proname, bool_or(p.pronargs > 0 and (p.pronargs - p.pronargdefaults <= 1 or p.provariadic <> 0))
from pg_catalog.pg_proc p
where p.provolatile = 'v' and p.prokind in ('f', 'w')
  and not (p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.proname = any ('{${[...HARMLESS_FUNCTIONS].join()}}'))
  and p.proname <> all ('{${HARMLESS_EXTENSION_FUNCTIONS.join()}}')
  and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
  and not ('pg_catalog.internal'::pg_catalog.regtype = any (p.proargtypes))
group by 1`

/** From the rows of `FUNCTIONS_QUERY`; names are bytes, a character each. */
export function readFunctions(rows: (string | null)[][]): FunctionTable {
  const names = rows.map(([name, byDot]) => ({ name: Buffer.from(name ?? '').toString('latin1'), byDot: byDot === 't' }))
  return {
    volatile: new Set(names.map(({ name }) => name)),
    byDot: new Set(names.filter(({ byDot }) => byDot).map(({ name }) => name)),
  }
}

/** Whether a name that is called may do more than read. */
export function isHarmful(functions: FunctionTable, name: string, byDot: boolean): boolean {
  if (RUNS_TEXT.test(name)) return true
  return byDot ? functions.byDot.has(name) : functions.volatile.has(name) || WRITES.test(name)
}
