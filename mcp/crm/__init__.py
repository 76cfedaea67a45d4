"""Leads, contacts, accounts, opportunities, tasks, events and cases of a CRM."""
