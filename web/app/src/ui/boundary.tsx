import { NetworkError, Problem } from "@blegram/client";
import { useQueryErrorResetBoundary } from "@tanstack/react-query";
import { Component, type ReactNode } from "react";
import { Failure } from "./states";

interface BoundaryProps {
  children: ReactNode;
  /** At another place, the content is rendered again. */
  place?: string;
}

/** Shows what failed in its content, and tries again when the user asks for it. */
export class Boundary extends Component<BoundaryProps, { error: unknown }> {
  override state = { error: undefined };

  override componentDidUpdate({ place }: BoundaryProps) {
    if (place !== this.props.place && this.state.error !== undefined) this.setState({ error: undefined });
  }

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    return error === undefined ? (
      this.props.children
    ) : (
      <Retry error={error} onRetry={() => this.setState({ error: undefined })} />
    );
  }
}

/** Reads again what could not be read. What is no call of the API is code that could not be loaded, which only a reload repeats. */
function Retry({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { reset } = useQueryErrorResetBoundary();
  const retry = () => {
    if (!(error instanceof Problem || error instanceof NetworkError)) return location.reload();
    // Queries that have failed fail again at once, until they are reset.
    reset();
    onRetry();
  };
  return <Failure error={error} onRetry={retry} />;
}
