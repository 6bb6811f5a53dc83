"""What happens, told to other programs: MQTT, Prometheus, chats, webhooks, systemd."""
