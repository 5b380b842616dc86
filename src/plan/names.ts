import { createHash } from 'node:crypto'

/** Kubernetes' limit for label values and for names that become host names. */
export const LABEL_LENGTH = 63

/** A StatefulSet's pods carry `<name>-<10 hex>` as a label. */
export const STATEFUL_SET_LENGTH = 52

/** A CronJob's Jobs are named `<name>-<11 digits>`. */
export const CRON_JOB_LENGTH = 52

/** `name`, or where it is longer than `limit`, its beginning and eight hex of its hash, so that two long names stay two. */
export function shortName(name: string, limit: number = LABEL_LENGTH): string {
  if (name.length <= limit) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return `${name.slice(0, limit - 9).replace(/[^a-z0-9]+$/, '')}-${hash}`
}

/** `user-db` as an environment name: `USER_DB`. */
export function upperSnake(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')
}

/** The Secret that holds a database's `url host port user password name`. */
export function credentialsSecret(database: string): string {
  return shortName(`${database}-credentials`)
}

/** The Secret of a service's own external values. */
export function externalSecret(service: string, secret: string): string {
  return shortName(`${service}-${secret}`)
}
