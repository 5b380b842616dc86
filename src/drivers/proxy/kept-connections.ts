import { Agent } from 'node:http'
import type { Socket } from 'node:net'

/** The connections to a service that are kept from one request to the next. */
export interface KeptConnections {
  /** Of now: not to be held across a wait. */
  readonly agent: Agent
  /** Closes those that are idle, and each of the others when its request is over: none is used again. */
  drop(): void
}

export function keepConnections(): KeptConnections {
  let agent = newAgent()
  return {
    get agent() {
      return agent
    },
    drop() {
      const before = agent
      agent = newAgent()
      before.maxFreeSockets = 0
      for (const sockets of Object.values(before.freeSockets)) for (const socket of sockets as Socket[]) socket.destroy()
    },
  }
}

function newAgent(): Agent {
  return new Agent({ keepAlive: true, maxFreeSockets: 64, timeout: 60_000, noDelay: true })
}
