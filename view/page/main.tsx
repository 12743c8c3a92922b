import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { View } from "../events";
import { Picture } from "../picture";
import { Details } from "./details";
import { pageStyles } from "./pageStyles";

/** The whole page: the picture, what is wrong, and the selected part in detail. */
function Page() {
  const [view, setView] = useState<View>();
  const [lost, setLost] = useState<string>();
  const [selected, select] = useState<string>();
  useEffect(() => {
    // The browser connects again by itself.
    const events = new EventSource("/events");
    events.onmessage = ({ data }) => {
      setView(JSON.parse(data as string) as View);
      setLost(undefined);
    };
    events.onerror = () => setLost("This page has no connection. Next: npm run view");
    events.addEventListener("fault", ({ data }) => setLost(JSON.parse(data as string) as string));
    const leave = ({ key }: KeyboardEvent) => key === "Escape" && select(undefined);
    addEventListener("keydown", leave);
    return () => {
      events.close();
      removeEventListener("keydown", leave);
    };
  }, []);
  if (!view) return <p role="status">{lost ?? "Asking the clusters ..."}</p>;
  const { status, layout } = view;
  const isSimulated = status.clusters.every((cluster) => cluster.isSimulated);
  document.title = `${status.stack}: ${status.problems.length === 0 ? "all is well" : `${status.problems.length} to do`}`;
  return (
    <>
      <header>
        <h1>Stack {status.stack}</h1>
        <p>
          {status.runtime}
          {isSimulated && ", pods are simulated: no service is mirrored, and no traffic flows"}
        </p>
        <p role="status" class={lost ? "bad" : "good"}>
          {lost ?? "live"}
        </p>
      </header>
      <main>
        <div class="picture">
          <Picture status={status} layout={layout} selected={selected} onSelect={select} />
        </div>
        <aside aria-live="polite">
          <Details status={status} selected={selected} />
        </aside>
      </main>
      <section aria-label="What to do next" aria-live="polite">
        {status.problems.length === 0 ? (
          <p class="good">Nothing is wrong.</p>
        ) : (
          <ul>
            {status.problems.map(({ what, next }) => (
              <li key={what}>
                <span class="bad">{what}</span>. Next: <code>{next}</code>
              </li>
            ))}
          </ul>
        )}
      </section>
      <style>{pageStyles}</style>
    </>
  );
}

render(<Page />, document.body);
