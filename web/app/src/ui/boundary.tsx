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
      <Failure error={error} onRetry={() => this.setState({ error: undefined })} />
    );
  }
}
