// A bus in TypeScript as its users know it: `subscribe` with a type or a pattern, `publish` that waits for all handlers,
// retries and dead letters armed. It stands in for the original, which no registry has.

interface Event<P> {
  id: string
  type: string
  timestamp: string
  payload: P
}

type Result = { ok: true } | { ok: false; error: Error }

interface RetryPolicy {
  maxRetries: number
  backoffMs: number
  exponentialBackoff: boolean
}

interface Subscription {
  eventType?: string
  eventPattern?: RegExp
  filter?: (event: Event<unknown>) => boolean
  handler: (event: Event<unknown>) => Promise<Result>
  retryPolicy?: RetryPolicy
}

interface DeadLetter {
  originalEvent: Event<unknown>
  error: Error
  attempts: number
}

interface BusOptions {
  maxRetries: number
  deadLetterEnabled: boolean
}

const BACKOFF_MS = 100

function createEvent<P>(type: string, payload: P): Event<P> {
  return { id: crypto.randomUUID(), type, timestamp: new Date().toISOString(), payload }
}

function createEventBus(options: BusOptions) {
  const subscriptions = new Map<string, Subscription>()
  const deadLetters: DeadLetter[] = []
  const defaultPolicy = { maxRetries: options.maxRetries, backoffMs: BACKOFF_MS, exponentialBackoff: true }

  function wants(subscription: Subscription, event: Event<unknown>): boolean {
    if (subscription.eventType !== undefined && subscription.eventType !== event.type) return false
    if (subscription.eventPattern !== undefined && !subscription.eventPattern.test(event.type)) return false
    return subscription.filter === undefined || subscription.filter(event)
  }

  async function deliver(subscription: Subscription, event: Event<unknown>): Promise<void> {
    const policy = subscription.retryPolicy ?? defaultPolicy
    for (let attempts = 1; ; attempts++) {
      let error: Error
      try {
        const result = await subscription.handler(event)
        if (result.ok) return
        error = result.error
      } catch (thrown) {
        error = thrown instanceof Error ? thrown : new Error(String(thrown))
      }
      if (policy.maxRetries < attempts) {
        if (options.deadLetterEnabled) deadLetters.push({ originalEvent: event, error, attempts })
        return
      }
      const factor = policy.exponentialBackoff ? 2 ** (attempts - 1) : 1
      await new Promise(resolve => setTimeout(resolve, policy.backoffMs * factor))
    }
  }

  return {
    subscribe(subscription: Subscription): () => void {
      const id = crypto.randomUUID()
      subscriptions.set(id, subscription)
      return () => subscriptions.delete(id)
    },

    async publish(event: Event<unknown>): Promise<Result> {
      const wanting = [...subscriptions.values()].filter(subscription => wants(subscription, event))
      await Promise.all(wanting.map(subscription => deliver(subscription, event)))
      return { ok: true }
    },

    deadLetters: () => [...deadLetters],
  }
}

interface Tick {
  device: number
  reading: number
  at: number
}

const BLOCK = 64
const WARM_UP_MS = 300

const task = JSON.parse(process.argv[2] ?? '{}')
const handlers: number = task.work.publish.handlers

const bus = createEventBus({ maxRetries: 3, deadLetterEnabled: true })
let handled = 0
for (let handler = 0; handler < handlers; handler++) {
  bus.subscribe({
    eventType: 'tick',
    handler: async event => {
      handled += (event.payload as Tick).device
      return { ok: true }
    },
  })
}

// The same event each time, so that what `createEvent` costs is not counted.
const event = createEvent<Tick>('tick', { device: 1, reading: 21.5, at: 17 })

async function publishFor(milliseconds: number): Promise<number> {
  const before = handled
  const start = performance.now()
  let published = 0
  while (performance.now() - start < milliseconds) {
    for (let i = 0; i < BLOCK; i++) await bus.publish(event)
    published += BLOCK
  }
  const took = performance.now() - start
  if (handled - before !== published * handlers) throw new Error('each handler handles each event once')
  return (took * 1e6) / published
}

await publishFor(WARM_UP_MS)
const figure = await publishFor(task.seconds * 1000)
console.log(JSON.stringify({ measured: { figure, latency: null, conflicts: 0 } }))
