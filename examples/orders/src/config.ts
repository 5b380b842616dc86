import { hostname } from 'node:os'

/** Everything this service takes from its environment. */
export const config = {
  port: Number(process.env['PORT'] ?? 3000),
  databaseUrl: process.env['ORDERS_DB_URL'] ?? process.env['DATABASE_URL'] ?? 'postgresql://localhost/orders',
  metricsPort: process.env['METRICS_PORT'] ? Number(process.env['METRICS_PORT']) : undefined,
  metricsPath: process.env['METRICS_PATH'] ?? '/metrics',
  logFormat: process.env['LOG_FORMAT'] === 'json' ? ('json' as const) : ('text' as const),
  /** Another service; this one does without where it is not named. */
  userServiceUrl: process.env['USER_SERVICE_URL'],
  /** In a container the process is the first of its own host, elsewhere one of many. */
  replica: process.pid === 1 ? hostname() : `process ${process.pid}`,
}
