#!/usr/bin/python3
"""Plays ModemManager on the bus at $DBUS_SYSTEM_BUS_ADDRESS, by python-dbusmock.

Standard input has the modems as JSON: [{"Modem": {"State": 8, ...}, "Modem3gpp": {...}, "Bearers": [{...}]}, ...]. Says
"ready" once it is there.
"""
import json
import sys

import dbus
import dbus.mainloop.glib
from dbusmock import mockobject
from gi.repository import GLib

SERVICE = 'org.freedesktop.ModemManager1'
ROOT = '/org/freedesktop/ModemManager1'


def ports(value):
    return dbus.Array([(name, dbus.UInt32(kind)) for name, kind in value], signature='(su)')


TYPES = {
    'State': dbus.Int32,
    'StateFailedReason': dbus.UInt32,
    'UnlockRequired': dbus.UInt32,
    'PowerState': dbus.UInt32,
    'SignalQuality': lambda value: dbus.Struct((dbus.UInt32(value), True), signature='ub'),
    'Ports': ports,
    'RegistrationState': dbus.UInt32,
    'ConnectionError': lambda value: dbus.Struct(tuple(value), signature='ss'),
    'Properties': lambda value: dbus.Dictionary(value, signature='sv'),
}


def typed(properties):
    return {key: TYPES.get(key, lambda same: same)(value) for key, value in properties.items()}


def main():
    modems = json.load(sys.stdin)
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    name = dbus.service.BusName(SERVICE, dbus.SystemBus())
    manager = mockobject.DBusMockObject(name, ROOT, SERVICE, {'Version': '1.20.4'}, None, True)
    bearers = 0
    for number, modem in enumerate(modems):
        paths = []
        for bearer in modem.get('Bearers', []):
            paths.append(dbus.ObjectPath(f'{ROOT}/Bearer/{bearers}'))
            manager.AddObject(paths[-1], SERVICE + '.Bearer', typed(bearer), [])
            bearers += 1
        path = f'{ROOT}/Modem/{number}'
        properties = typed(modem['Modem'])
        properties['Bearers'] = dbus.Array(paths, signature='o')
        # One of a type that nobody asks for.
        properties['SupportedModes'] = dbus.Array([(dbus.UInt32(1), dbus.UInt32(2))], signature='(uu)')
        manager.AddObject(path, SERVICE + '.Modem', properties, [])
        mockobject.objects[path].AddProperties(SERVICE + '.Modem.Modem3gpp', typed(modem.get('Modem3gpp', {})))
    print('ready', flush=True)
    GLib.MainLoop().run()


if __name__ == '__main__':
    main()
