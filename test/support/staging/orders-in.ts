import type { DependenciesResult, DependencyStatus } from '../../../src/wire/messages.ts'
import { readRun, type OwnShiv } from '../own-shiv.ts'

/** What a call of the service `orders` came to. */
export interface Answer {
  status: number
  servedBy: string | null
  body: string
}

/** Asks the service `orders` of a workspace, which runs `callerProgram`, to call its dependencies; and shiv about them. */
export function ordersIn(place: () => { own: OwnShiv; shop: string }) {
  const call = async (wish: Record<string, unknown>): Promise<unknown> => {
    const { own, shop } = place()
    const { directUrl } = (await readRun(own, shop)).services.find(({ name }) => name === 'orders')!
    return (await fetch(directUrl!, { method: 'POST', body: JSON.stringify(wish) })).json()
  }
  const proxy = (...words: string[]): Promise<string> => {
    const { own, shop } = place()
    return own.shiv(['proxy', ...words], { cwd: shop })
  }
  return {
    http: (variable: string, path: string, method = 'GET') => call({ call: 'http', variable, path, method }) as Promise<Answer>,
    sql: (text: string) => call({ call: 'sql', variable: 'USERS_URL', text }),
    redis: (...words: string[]) => call({ call: 'redis', variable: 'CACHE_URL', words }),
    proxy,
    async list(): Promise<DependencyStatus[]> {
      return (JSON.parse(await proxy('--json')) as DependenciesResult).dependencies
    },
    /** Ends the daemon as a crash would. */
    async killDaemon(): Promise<void> {
      const { daemon } = JSON.parse(await place().own.shiv(['daemon', 'status', '--json'])) as { daemon: { pid: number } }
      process.kill(daemon.pid, 'SIGKILL')
    },
  }
}
