"""What gateways and the collector are told of people: credential maps and class lists, without names."""
