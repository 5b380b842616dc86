/** Settings of a session that may be changed: none of them leads out of read-only, to another role or to another reading of SQL. */
const HARMLESS = new Set(
  `application_name bytea_output client_encoding client_min_messages constraint_exclusion cpu_index_tuple_cost cpu_operator_cost
  cpu_tuple_cost cursor_tuple_fraction datestyle deadlock_timeout debug_pretty_print debug_print_plan default_statistics_target
  default_text_search_config default_transaction_deferrable default_transaction_isolation effective_cache_size
  effective_io_concurrency escape_string_warning extra_float_digits force_parallel_mode from_collapse_limit geqo geqo_effort
  geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold gin_fuzzy_search_limit hash_mem_multiplier
  idle_in_transaction_session_timeout idle_session_timeout intervalstyle jit jit_above_cost jit_inline_above_cost
  jit_optimize_above_cost join_collapse_limit lc_monetary lc_numeric lc_time lock_timeout logical_decoding_work_mem
  maintenance_work_mem max_parallel_workers_per_gather max_stack_depth min_parallel_index_scan_size min_parallel_table_scan_size
  parallel_leader_participation parallel_setup_cost parallel_tuple_cost plan_cache_mode quote_all_identifiers
  random_page_cost recursive_worktable_factor row_security search_path seed seq_page_cost statement_timeout
  stats_fetch_consistency synchronous_commit tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout
  temp_buffers timezone timezone_abbreviations trace_sort transaction_deferrable transaction_isolation transaction_timeout
  transform_null_equals work_mem xmlbinary xmloption`.split(/\s+/),
)

/** Encodings in which no character has a byte that could be taken for a quote or a backslash. */
const ENCODINGS =
  /^(?:utf_?8|unicode|sql_?ascii|latin_?\d+|iso_?8859_?\d+|win(?:dows_?)?(?:125\d|866|874)|koi8_?[ru]?|euc_?(?:jp|kr|cn|tw)|default)$/

/** Whether a client may change this setting; extensions' own (`app.tenant`) may be. `name` in any case. */
export function mayChange(name: string): boolean {
  const lower = name.toLowerCase()
  return HARMLESS.has(lower) || lower.startsWith('enable_') || /^[a-z_][a-z0-9_$]*\.[a-z0-9_$.]+$/.test(lower)
}

/** Whether text in this encoding can be read byte by byte. */
export function isPlainEncoding(name: string): boolean {
  return ENCODINGS.test(name.trim().toLowerCase().replaceAll('-', '_'))
}
