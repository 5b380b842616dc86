/** A replica and its successor run side by side for a moment: each on a seat of its own, with ports, a record and a mark. */
const SEATS = 4

/** The replica that a process stands for: `orders.1` of the seats `orders.1`, `orders.1@2`, … */
export function replicaOf(id: string): string {
  return id.replace(/(?<=.)@\d+$/, '')
}

/** Ids of a replica's seats; the first is the replica's own name. */
export function seatsOf(replica: string): string[] {
  return Array.from({ length: SEATS }, (_, index) => (index === 0 ? replica : `${replica}@${index + 1}`))
}
