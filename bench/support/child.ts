// A child of a bench: takes a role, tells its port, and its processor time and memory when asked.
import { dependencyRoles } from './roles/dependency.ts'
import { httpRoles } from './roles/http.ts'
import type { Roles } from './roles/roles.ts'

const [role = '', upstream = '', ...words] = process.argv.slice(2)
const roles: Roles = { ...httpRoles, ...dependencyRoles }

process.on('message', (what) => {
  const { user, system } = process.cpuUsage()
  if (what === 'collect') globalThis.gc?.()
  process.send?.({ cpuMicroseconds: user + system, rss: process.memoryUsage.rss() })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: await roles[role]!(upstream, ...words) })
